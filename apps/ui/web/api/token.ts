// The token, when the server wants one: kept for this tab alone, sent in a header, so that no other page can use it.
// It may come with the address, behind the "#", which browsers send to nobody.

const place = "tsilium-token";

export function takeTokenOfAddress(): void {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (!match) return;
  setToken(decodeURIComponent(match[1] as string));
  history.replaceState(null, "", location.pathname + location.search);
}

export function setToken(token: string): void {
  sessionStorage.setItem(place, token);
}

export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(place);
  return token === null ? {} : { authorization: `Bearer ${token}` };
}
