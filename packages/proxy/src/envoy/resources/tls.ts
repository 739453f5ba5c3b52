// TLS contexts, which refer to secrets, and the secrets (SDS) that they refer to.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { TransportSocketSchema } from "../gen/envoy/config/core/v3/base_pb.ts";
import { TlsParameters_TlsProtocol } from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
import {
  type Secret,
  SecretSchema,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import {
  type CommonTlsContextSchema,
  DownstreamTlsContextSchema,
  UpstreamTlsContextSchema,
} from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import type { TlsMaterial, TlsUse } from "../../secrets/index.ts";
import { pack } from "./any.ts";
import { authorityName, certificateName } from "./names.ts";
import { ads } from "./sources.ts";

/**
 * How a connection is made with what is served under `tls`, one of `tlsName`.
 * @param protocols what clients are offered (ALPN); the server is spoken to in the same one
 */
export function tlsSocket(
  use: TlsUse,
  tls: string,
  material: TlsMaterial,
  protocols: readonly string[],
): MessageInitShape<typeof TransportSocketSchema> {
  const common: MessageInitShape<typeof CommonTlsContextSchema> = {
    tlsParams: { tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2 },
    tlsCertificateSdsSecretConfigs:
      material.certificate === undefined ? [] : [{ name: certificateName(tls), sdsConfig: ads }],
    ...(material.trustedCa === undefined
      ? {}
      : {
          validationContextType: {
            case: "validationContextSdsSecretConfig",
            value: { name: authorityName(tls), sdsConfig: ads },
          } as const,
        }),
  };
  const config =
    use === "terminating"
      ? pack(DownstreamTlsContextSchema, {
          commonTlsContext: { ...common, alpnProtocols: [...protocols] },
          ...(material.trustedCa === undefined ? {} : { requireClientCertificate: true }),
        })
      : pack(UpstreamTlsContextSchema, { commonTlsContext: common });
  return {
    name: "envoy.transport_sockets.tls",
    configType: { case: "typedConfig", value: config },
  };
}

export function tlsSecrets(tls: string, material: TlsMaterial): Secret[] {
  const secrets: Secret[] = [];
  if (material.certificate !== undefined && material.privateKey !== undefined) {
    secrets.push(
      create(SecretSchema, {
        name: certificateName(tls),
        type: {
          case: "tlsCertificate",
          value: {
            certificateChain: pem(material.certificate),
            privateKey: pem(material.privateKey),
          },
        },
      }),
    );
  }
  if (material.trustedCa !== undefined) {
    secrets.push(
      create(SecretSchema, {
        name: authorityName(tls),
        type: { case: "validationContext", value: { trustedCa: pem(material.trustedCa) } },
      }),
    );
  }
  return secrets;
}

function pem(text: string) {
  return { specifier: { case: "inlineBytes", value: Buffer.from(text, "latin1") } } as const;
}
