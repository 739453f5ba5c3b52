// What rule sets take from Secrets.
export { headerValue, type HeaderValue } from "./header-value.ts";
export { tlsMaterial, type TlsMaterial, type TlsUse } from "./tls-material.ts";
export { secretRefs } from "./refs.ts";
