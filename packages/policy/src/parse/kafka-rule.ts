// One item of `rules.kafka`.
import { kafkaApiKeys, kafkaRoles } from "../l7/kafka-apis.ts";
import type { KafkaRule } from "../model.ts";
import type { Field } from "./field.ts";

const maxLength = 255;
const lastVersion = 32_767;

/** @returns undefined after a problem */
export function parseKafkaRule(item: Field): KafkaRule | undefined {
  if (!item.isObject()) return undefined;
  item.only(["role", "apiKey", "apiVersion", "clientID", "topic"]);
  const role = item.narrowing("role");
  const apiKey = item.narrowing("apiKey");
  if (role.isGiven && apiKey.isGiven)
    item.problem("has both role and apiKey: a role stands for keys");
  return {
    apiKeys: parseRole(role) ?? parseApiKey(apiKey),
    apiVersion: parseVersion(item.narrowing("apiVersion")),
    clientId: parseText(item.narrowing("clientID")),
    topic: parseTopic(item.narrowing("topic")),
  };
}

function parseRole(field: Field): readonly number[] | undefined {
  const role = field.oneOf(Object.keys(kafkaRoles) as (keyof typeof kafkaRoles)[]);
  return role && kafkaRoles[role];
}

/** By name, in any case. */
function parseApiKey(field: Field): readonly number[] | undefined {
  const name = parseText(field);
  if (name === undefined) return undefined;
  const key = kafkaApiKeys.get(name.toLowerCase());
  if (key === undefined) field.problem("is no API of Kafka's: produce, fetch, metadata, ...");
  return key === undefined ? [] : [key];
}

function parseVersion(field: Field): number | undefined {
  const text = parseText(field);
  if (text === undefined) return undefined;
  const version = /^(0|[1-9][0-9]{0,4})$/.test(text) ? Number(text) : Number.NaN;
  if (version <= lastVersion) return version;
  field.problem(`must be a whole number from 0 to ${lastVersion}, in quotes`);
  return undefined;
}

function parseTopic(field: Field): string | undefined {
  const topic = parseText(field);
  if (topic === undefined || (/^[a-zA-Z0-9._-]+$/.test(topic) && !/^\.{1,2}$/.test(topic)))
    return topic;
  field.problem('is no topic: letters, digits, ".", "_" and "-"');
  return undefined;
}

function parseText(field: Field): string | undefined {
  const text = field.text();
  if (text === "") field.problem("is empty: leave it out if no restriction is meant");
  else if (text !== undefined && text.length > maxLength)
    field.problem(`is longer than ${maxLength} characters`);
  return text === "" ? undefined : text;
}
