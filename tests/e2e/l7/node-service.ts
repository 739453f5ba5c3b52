// Runs on a node: sockets of UDP that have nothing to do with proxies. Says what comes, a line of JSON each, and answers.
//
//   node node-service.ts ADDRESS:PORT...     [ADDRESS]:PORT of IPv6
import { createSocket } from "node:dgram";

/** What came, and to which of its sockets. */
export type Came = { readonly to: string; readonly from: string; readonly bytes: string };

const places = process.argv.slice(2);
let waiting = places.length;
for (const place of places) {
  const [, address = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(place) ?? [];
  const socket = address.includes(":")
    ? createSocket({ type: "udp6", ipv6Only: true })
    : createSocket("udp4");
  socket.on("message", (message, { address: from, port: fromPort }) => {
    const came: Came = { to: place, from, bytes: message.toString("latin1") };
    console.log(JSON.stringify(came));
    socket.send("from the node", fromPort, from);
  });
  socket.bind(Number(port), address, () => {
    if (--waiting === 0) console.log("listening");
  });
}
