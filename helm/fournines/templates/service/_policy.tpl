{{/*
The arrows to and from a service, from the table in _platform.tpl. Whatever is not here is denied by policy.yaml.
*/}}
{{- define "fournines.service.policy" }}
{{- $one := . }}
{{- $platform := include "fournines.platform" . | fromYaml }}
{{- $policy := .root.Values.networkPolicy }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "fournines.name" (list .root .service) }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "fournines.selector" (list .root .service) | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- if eq .service "gateway" }}
    - ports: [{port: {{ .facts.port }}}]
      {{- with $policy.clients }}
      from:
        {{- toYaml . | nindent 8 }}
        {{- include "fournines.peer" (list $one.root "test") | nindent 8 }}
      {{- end }}
    {{- else }}
    - ports: [{port: {{ .facts.port }}}]
      from:
        {{- range include "fournines.callers" .service | fromJsonArray }}
        {{- include "fournines.peer" (list $one.root .) | nindent 8 }}
        {{- end }}
    {{- end }}
    # The kubelet's probes come from the node and need no rule.
    - ports: [{port: {{ include "fournines.admin-port" . }}}]
      from: {{- toYaml $policy.monitoring | nindent 8 }}
  egress:
    {{- include "fournines.egress.dns" .root | nindent 4 }}
    {{- range .facts.calls }}
    - ports: [{port: {{ get (get $platform .) "port" }}}]
      to:
        {{- include "fournines.peer" (list $one.root .) | nindent 8 }}
    {{- end }}
    {{- if .facts.mongodb }}
    {{- include "fournines.egress.mongodb" .root | nindent 4 }}
    {{- end }}
    {{- if .facts.kafka }}
    {{- include "fournines.egress.kafka" .root | nindent 4 }}
    {{- end }}
    {{- if eq .service "payment" }}
    {{- include "fournines.egress.card-provider" .root | nindent 4 }}
    {{- end }}
    {{- if .root.Values.telemetry.enabled }}
    {{- $port := regexFind "[0-9]+$" (urlParse .root.Values.telemetry.otlpEndpoint).host }}
    {{- include "fournines.egress" (dict "to" $policy.collector "ports" (list (int $port))) | nindent 4 }}
    {{- end }}
{{- end }}

{{/* The pods of a component of this release, as a peer: list $ "order". */}}
{{- define "fournines.peer" -}}
- podSelector:
    matchLabels: {{- include "fournines.selector" . | nindent 6 }}
{{- end }}

{{- define "fournines.egress" -}}
- ports:
    {{- range .ports }}
    - port: {{ . }}
    {{- end }}
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Truncated answers come again over TCP: a headless Service with many pods has long ones. */}}
{{- define "fournines.egress.dns" -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
  {{- with .Values.networkPolicy.dns.to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "fournines.egress.mongodb" -}}
{{- if .Values.dev.enabled -}}
- ports: [{port: 27017}]
  to:
    {{- include "fournines.peer" (list . "dev-mongodb") | nindent 4 }}
{{- else -}}
{{- include "fournines.egress" .Values.networkPolicy.mongodb -}}
{{- end -}}
{{- end }}

{{- define "fournines.egress.kafka" -}}
{{- if .Values.dev.enabled -}}
- ports: [{port: 9092}]
  to:
    {{- include "fournines.peer" (list . "dev-kafka") | nindent 4 }}
{{- else -}}
{{- include "fournines.egress" .Values.networkPolicy.kafka -}}
{{- end -}}
{{- end }}

{{- define "fournines.egress.card-provider" -}}
{{- if .Values.dev.enabled -}}
- ports: [{port: {{ include "fournines.sandbox-port" . }}}]
  to:
    {{- include "fournines.peer" (list . "dev-card-sandbox") | nindent 4 }}
{{- else -}}
{{- $url := urlParse .Values.card.providerUrl -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- $ports := .Values.networkPolicy.cardProvider.ports -}}
{{- if not (has $port (toStrings $ports)) -}}
{{- fail (printf "card.providerUrl is at port %s, which networkPolicy.cardProvider.ports does not have: %s" $port (toJson $ports)) -}}
{{- end -}}
{{- include "fournines.egress" .Values.networkPolicy.cardProvider -}}
{{- end -}}
{{- end }}
