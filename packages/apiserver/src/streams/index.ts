// What a kubelet needs to speak its end of exec, attach, port-forward and logs.
export { channelProtocol, framedPeer } from "./channel-frames.ts";
export { channels, writeTo } from "./channels.ts";
export type * from "./channels.ts";
