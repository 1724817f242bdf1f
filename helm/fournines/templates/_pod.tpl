{{/*
What all pods have in common: the "restricted" Pod Security Standard, and nothing of the cluster that they don't need.
They run as the default account without its token: none of them talks to the API server. Service links would put
FOURNINES_… variables of every Service into the environment. Argument: list $ USER.
*/}}
{{- define "fournines.pod" -}}
{{- $root := first . -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  {{- with last . }}
  runAsUser: {{ int64 . }}
  runAsGroup: {{ int64 . }}
  fsGroup: {{ int64 . }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The same for containers. What has to be written to is a volume. */}}
{{- define "fournines.container-security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/*
Secrets that a service gets as environment, since its settings are a ConfigMap and have none: the address of the
database, which may hold a password, and of the brokers. Argument: dict "root" $ "facts".
*/}}
{{- define "fournines.secret-env" -}}
{{- $values := .root.Values -}}
{{- if .facts.mongodb }}
- name: FOURNINES__MONGO__URI
  valueFrom:
    secretKeyRef: {{ include "fournines.secret" (list .root $values.mongodb.uriSecret "uri") }}
{{- end }}
{{- if .facts.kafka }}
- name: FOURNINES__KAFKA__BROKERS
  valueFrom:
    secretKeyRef: {{ include "fournines.secret" (list .root $values.kafka.brokersSecret "brokers") }}
{{- end }}
{{- end }}

{{/* A key of a Secret as {name, key}: that of the values, or with dev.enabled the one that the chart made. */}}
{{- define "fournines.secret" -}}
{{- $root := first . -}}
{{- if $root.Values.dev.enabled -}}
{{- dict "name" (include "fournines.name" (list $root "dev")) "key" (last .) | toJson -}}
{{- else -}}
{{- index . 1 | toJson -}}
{{- end -}}
{{- end }}
