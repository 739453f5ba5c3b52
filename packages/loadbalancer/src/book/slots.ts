// Who is in which slot of a set. One that leaves is replaced by the last, one that comes goes to the end: few slots are written,
// however long the set is.
export function updateSlots<T>(slots: T[], removed: ReadonlySet<T>, added: readonly T[]): void {
  if (removed.size > 8) removeMany(slots, removed);
  else for (const item of removed) removeAt(slots, slots.indexOf(item));
  slots.push(...added);
}

function removeAt<T>(slots: T[], index: number): void {
  if (index < 0) return;
  const last = slots.pop() as T;
  if (index < slots.length) slots[index] = last;
}

/** The same, without looking for each: from the front, every gap is filled from the end. */
function removeMany<T>(slots: T[], removed: ReadonlySet<T>): void {
  for (let index = 0; index < slots.length; index++) {
    while (index < slots.length && removed.has(slots[index] as T)) removeAt(slots, index);
  }
}
