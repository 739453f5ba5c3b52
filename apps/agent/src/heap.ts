// Keeps the agent small; imported first. A node's agent creates little that is short-lived, so that the young
// generation may stay at its first size (1 MB a half) instead of growing to 16: 25 MB less after a few hundred
// pods came and went, and collections of a millisecond. The flag is read whenever the generation would grow.
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--semi-space-growth-factor=1");
