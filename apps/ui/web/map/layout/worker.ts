// The layout in a thread of its own, so that the page never waits for it.
import { MapLayout, type LayoutInput, type LayoutResult } from "./map-layout.ts";

export type LayoutRequest = {
  readonly id: number;
  readonly input: LayoutInput;
  readonly anew: boolean;
};
export type LayoutAnswer = { readonly id: number; readonly result: LayoutResult };

const layout = new MapLayout();

addEventListener("message", (event: MessageEvent<LayoutRequest>) => {
  const { id, input, anew } = event.data;
  if (anew) layout.forget();
  const answer: LayoutAnswer = { id, result: layout.update(input) };
  postMessage(answer);
});
