{{/*
A value as TOML. Helm's own toToml makes 10000.0 of 10000, since all numbers of values files are floats; JSON's numbers,
texts and booleans are TOML's.
*/}}
{{- define "fournines.toml" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $key := keys . | sortAlpha -}}
{{- $value := include "fournines.toml" (get $ $key) -}}
{{- $pairs = append $pairs (printf "%s = %s" (include "fournines.toml-key" $key) $value) -}}
{{- end -}}
{ {{ join ", " $pairs }} }
{{- else if kindIs "slice" . -}}
{{- $items := list -}}
{{- range . }}{{- $items = append $items (include "fournines.toml" .) -}}{{- end -}}
[{{ join ", " $items }}]
{{- else -}}
{{- toJson . -}}
{{- end -}}
{{- end }}

{{- define "fournines.toml-key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}

{{/* The settings of a service, as the file that it reads: dict "root" $ "service" NAME "facts" "values". */}}
{{- define "fournines.config" -}}
{{- $sections := mergeOverwrite (include "fournines.sections" . | fromYaml) (deepCopy .values.config) -}}
{{- range $section := keys $sections | sortAlpha }}
[{{ $section }}]
{{- $settings := get $sections $section }}
{{- range $key := keys $settings | sortAlpha }}
{{ include "fournines.toml-key" $key }} = {{ include "fournines.toml" (get $settings $key) }}
{{- end }}
{{ end }}
{{- end }}

{{/* What the chart says of a service. The database's URI and the brokers come from the environment. */}}
{{- define "fournines.sections" -}}
{{- $root := .root -}}{{- $service := .service -}}{{- $facts := .facts -}}{{- $values := $root.Values -}}
{{- $keys := default list $facts.keys -}}
admin: {listen: "0.0.0.0:{{ include "fournines.admin-port" . }}"}
log: {filter: {{ $values.log.filter | quote }}}
{{- if eq $service "gateway" }}
http:
  listen: 0.0.0.0:{{ $facts.port }}
  drain_timeout_ms: {{ $values.drain.timeoutMs | int64 }}
  trusted_proxy_hops: {{ $values.gateway.trustedProxyHops | int64 }}
# Each gateway lets its part of a client's rate through. They count each other, and until they have, that many are
# assumed.
limits:
  replicas: {{ max 1 .least }}
  peers: dns://{{ include "fournines.host" (list $root "gateway" "headless") }}:{{ $facts.port }}
{{- else }}
server: {listen: "0.0.0.0:{{ $facts.port }}", drain_timeout_ms: {{ $values.drain.timeoutMs | int64 }}}
{{- end }}
{{- if $values.mtls.enabled }}
tls:
  ca: /etc/fournines/tls/ca.crt
  certificate: /etc/fournines/tls/tls.crt
  key: /etc/fournines/tls/tls.key
  {{- with include "fournines.callers" $service | fromJsonArray }}
  callers: {{ concat . $values.mtls.callers | toJson }}
  {{- end }}
{{- end }}
{{- if $facts.mongodb }}
mongo: {database: {{ $values.mongodb.database | quote }}}
{{- end }}
{{- if $facts.kafka }}
kafka:
  prefix: {{ $values.kafka.prefix | quote }}
  replication: {{ ternary 1 ($values.kafka.replication | int64) $values.dev.enabled }}
{{- end }}
{{- if has "pageTokens" $keys }}
page_tokens: {key_file: /etc/fournines/keys/page-tokens}
{{- end }}
{{- if has "tokenSigning" $keys }}
tokens:
  signing_key_file: /etc/fournines/keys/token-signing.pem
  {{- with $values.secrets.previousPublicKeys }}
  previous_public_key_files:
    {{- range $number, $_ := . }}
    - /etc/fournines/keys/previous-{{ $number }}.pem
    {{- end }}
  {{- end }}
{{- end }}
{{- if and (has "bootstrap" $keys) (include "fournines.admin-email" $root) }}
bootstrap:
  admin_email: {{ include "fournines.admin-email" $root | quote }}
  admin_password_file: /etc/fournines/keys/admin-password
{{- end }}
{{- if has "cardApiKey" $keys }}
card:
  provider_url: {{ include "fournines.card-provider" $root | quote }}
  api_key_file: /etc/fournines/keys/card-api-key
{{- end }}
{{- with get (dict "inventory" "catalogue" "payment" "accounts" "reconciliation" "statements") $service }}
{{ . }}: {currency: {{ $values.currency | quote }}}
{{- end }}
{{- with $facts.calls }}
upstreams:
  {{- range . }}
  {{ . }}: {{ include "fournines.upstream" (dict "root" $root "from" $service "to" .) }}
  {{- end }}
{{- end }}
{{- if $values.telemetry.enabled }}
telemetry:
  otlp_endpoint: {{ $values.telemetry.otlpEndpoint | quote }}
  sample_ratio: {{ $values.telemetry.sampleRatio }}
{{- end }}
{{- end }}

{{/* Where the replicas of `to` are for `from`, as JSON. */}}
{{- define "fournines.upstream" -}}
{{- $root := .root -}}{{- $to := .to -}}
{{- $port := get (get (include "fournines.platform" . | fromYaml) $to) "port" -}}
{{- if eq (include "fournines.is-zonal" .) "true" -}}
{{- $targets := list -}}
{{- range $zone := $root.Values.zones -}}
{{- $target := printf "dns://%s:%v" (include "fournines.host" (list $root $to $zone)) $port -}}
{{- $targets = append $targets (dict "target" $target "zone" $zone) -}}
{{- end -}}
{{- dict "endpoints" $targets | toJson -}}
{{- else -}}
{{- $target := printf "dns://%s:%v" (include "fournines.host" (list $root $to "headless")) $port -}}
{{- dict "endpoints" (list $target) | toJson -}}
{{- end -}}
{{- end }}

{{/*
Whether calls from `from` to `to` stay in their zone. Those from the gateway to order don't: orders of one SKU meet at
one replica, whichever gateway they came to, and with a replica for each zone they would fight over the SKU's counter
instead.
*/}}
{{- define "fournines.is-zonal" -}}
{{- and (gt (len .root.Values.zones) 0) (not (and (eq .from "gateway") (eq .to "order"))) -}}
{{- end }}

{{- define "fournines.admin-email" -}}
{{- .Values.bootstrap.adminEmail | default (ternary "admin@example.com" "" .Values.dev.enabled) -}}
{{- end }}

{{- define "fournines.card-provider" -}}
{{- if .Values.dev.enabled -}}
{{- $host := include "fournines.host" (list . "dev-card-sandbox") | trimSuffix "." -}}
http://{{ $host }}:{{ include "fournines.sandbox-port" . }}
{{- else -}}
{{- .Values.card.providerUrl -}}
{{- end -}}
{{- end }}
