{{/*
Who a service is to others: its name, wherever it runs. Callers know replicas by addresses, which say nothing of who is
there.
*/}}
{{- define "fournines.service.certificate" }}
{{- $mtls := .root.Values.mtls }}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ include "fournines.name" (list .root .service) }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
spec:
  secretName: {{ include "fournines.name" (list .root .service "tls") }}
  dnsNames: [{{ .service }}]
  usages: [digital signature, server auth, client auth]
  duration: {{ $mtls.duration }}
  renewBefore: {{ $mtls.renewBefore }}
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  issuerRef: {group: cert-manager.io, kind: Issuer, name: {{ include "fournines.name" (list .root "authority") }}}
{{- end }}
