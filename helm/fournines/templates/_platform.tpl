{{/*
Who is who. The one table that Services, settings, policies and hooks are made from; the ports are fixed, so that a
policy or a dashboard can name them. `calls` is what [upstreams] of the service asks for, and nothing else may be
called.
*/}}
{{- define "fournines.platform" -}}
gateway: {port: 8080, calls: [user, inventory, order, payment, reconciliation]}
user: {port: 7001, mongodb: true, keys: [pageTokens, tokenSigning, bootstrap]}
inventory: {port: 7002, mongodb: true, kafka: true, keys: [pageTokens]}
order: {port: 7003, mongodb: true, kafka: true, keys: [pageTokens], calls: [inventory, payment, risk]}
payment: {port: 7004, mongodb: true, kafka: true, keys: [cardApiKey]}
reconciliation: {port: 7005, mongodb: true, kafka: true, keys: [pageTokens], calls: [order, inventory, payment]}
risk: {port: 7006, mongodb: true, kafka: true}
{{- end }}

{{/* The services that call this one, as JSON. */}}
{{- define "fournines.callers" -}}
{{- $callers := list -}}
{{- range $caller, $facts := include "fournines.platform" . | fromYaml -}}
{{- if has $ (default list $facts.calls) }}{{ $callers = append $callers $caller }}{{ end -}}
{{- end -}}
{{- toJson $callers -}}
{{- end }}

{{/* The admin port of every service. */}}
{{- define "fournines.admin-port" -}}9000{{- end }}

{{/* What a template that is made once a service gets: dict "root" $ "service" NAME. */}}
{{- define "fournines.of-service" -}}
{{- $facts := get (include "fournines.platform" . | fromYaml) .service -}}
{{- $values := get .root.Values.services .service -}}
{{- $least := $values.replicas -}}
{{- $scaled := "" -}}
{{- if dig "autoscaling" "enabled" false $values -}}
{{- $least = $values.autoscaling.minReplicas -}}{{- $scaled = "cpu" -}}
{{- else if dig "keda" "enabled" false $values -}}
{{- $least = $values.keda.minReplicas -}}{{- $scaled = "keda" -}}
{{- end -}}
{{- dict "facts" $facts "values" $values "least" $least "scaled" $scaled | toJson -}}
{{- end }}

{{/* The card provider that comes with dev.enabled. */}}
{{- define "fournines.sandbox-port" -}}7007{{- end }}
