#!/bin/sh -e
# Makes, in the folder that is named: an authority that pods trust (inside.pem) with a certificate for shop.example, an
# authority of the world outside (outside.pem) with another for the real shop.example, and secrets.yaml, which goes
# into the policy's namespace.
folder=${1:?usage: make-secrets.sh FOLDER}
mkdir -p "$folder"
cd "$folder"
new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30'
for authority in inside outside; do
  # shellcheck disable=SC2086
  openssl req -x509 $new -subj "/CN=$authority" -keyout $authority.key -out $authority.pem 2>/dev/null
  # shellcheck disable=SC2086
  openssl req $new -subj /CN=shop.example -keyout shop-$authority.key -out request.csr 2>/dev/null
  printf 'subjectAltName=DNS:shop.example' > extensions
  openssl x509 -req -in request.csr -CA $authority.pem -CAkey $authority.key -CAcreateserial -days 30 \
    -extfile extensions -out shop-$authority.pem 2>/dev/null
done
rm request.csr extensions
encode() { base64 -w0 "$1"; }
cat > secrets.yaml <<YAML
apiVersion: v1
kind: Secret
metadata: { name: shown-to-clients }
type: kubernetes.io/tls
data: { tls.crt: $(encode shop-inside.pem), tls.key: $(encode shop-inside.key) }
---
apiVersion: v1
kind: Secret
metadata: { name: trusted-servers }
data: { ca.crt: $(encode outside.pem) }
YAML
