// Signature Version 4, as the server checks it (AWS General Reference, "Signature Version 4 signing process").
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Ec2Fault } from "./fault.ts";

export type Account = { readonly accessKeyId: string; readonly secretAccessKey: string };

/** AWS takes requests of five minutes ago, and of five minutes ahead. */
const skewMs = 300_000;

/** @throws Ec2Fault with EC2's codes for what is wrong with it */
export function checkSignature(
  request: IncomingMessage,
  body: string,
  options: { readonly account: Account; readonly region: string; readonly nowMs: number },
): void {
  const { account, region, nowMs } = options;
  const header = request.headers.authorization ?? "";
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      header,
    );
  if (!match)
    throw new Ec2Fault(
      401,
      "AuthFailure",
      "AWS was not able to validate the provided access credentials",
    );
  const [, keyId, date, signedRegion, service, signedHeaders = "", signature = ""] = match;
  if (keyId !== account.accessKeyId)
    throw new Ec2Fault(
      401,
      "AuthFailure",
      "AWS was not able to validate the provided access credentials",
    );
  const time = String(request.headers["x-amz-date"] ?? "");
  if (signedRegion !== region || service !== "ec2" || !time.startsWith(date ?? " "))
    throw new Ec2Fault(
      403,
      "SignatureDoesNotMatch",
      "Credential should be scoped to a valid region and service",
    );
  const at = Date.parse(
    time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"),
  );
  if (!(Math.abs(nowMs - at) <= skewMs))
    throw new Ec2Fault(400, "RequestExpired", "Request has expired");
  const names = signedHeaders.split(";");
  if (!names.includes("host") || !names.includes("x-amz-date"))
    throw new Ec2Fault(403, "SignatureDoesNotMatch", "host and x-amz-date must be signed");
  const canonical = [
    request.method,
    request.url ?? "/",
    "",
    ...names.map(
      (name) =>
        `${name}:${String(request.headers[name] ?? "")
          .trim()
          .replace(/ +/g, " ")}`,
    ),
    "",
    signedHeaders,
    sha256(body),
  ].join("\n");
  const toSign = [
    "AWS4-HMAC-SHA256",
    time,
    `${date}/${region}/ec2/aws4_request`,
    sha256(canonical),
  ];
  const key = [date, region, "ec2", "aws4_request"].reduce<string | Buffer>(
    (parent, part) =>
      createHmac("sha256", parent)
        .update(part as string)
        .digest(),
    `AWS4${account.secretAccessKey}`,
  );
  const expected = createHmac("sha256", key).update(toSign.join("\n")).digest();
  if (!timingSafeEqual(expected, Buffer.from(signature, "hex")))
    throw new Ec2Fault(
      403,
      "SignatureDoesNotMatch",
      "The request signature we calculated does not match the signature you provided",
    );
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
