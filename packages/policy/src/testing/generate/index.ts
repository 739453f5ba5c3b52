// Random clusters and what happens to them, valid by construction.
export { randomChange } from "./change.ts";
export { clusterName } from "./dictionary.ts";
export { randomQuestion, randomStranger } from "./question.ts";
export { keyOf, randomScenario, type Scenario } from "./scenario.ts";
