import { closeSync } from "node:fs";
closeSync(3);
setInterval(() => {}, 1e9);
