{{/*
Headless Services: callers balance by themselves, over every address that DNS gives them. An address is given only while
its pod is ready; when none is, callers keep the last ones. The port `admin` is here for Prometheus, which finds pods by
it.
*/}}
{{- define "fournines.service.services" }}
{{- $one := . }}
{{- $protocol := ternary "https" "kubernetes.io/h2c" .root.Values.mtls.enabled }}
{{- $port := dict "name" "grpc" "port" .facts.port "appProtocol" $protocol }}
{{- if eq .service "gateway" }}
{{- $port = dict "name" "http" "port" .facts.port "appProtocol" "http" }}
{{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "fournines.name" (list .root .service "headless") }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
spec:
  clusterIP: None
  selector: {{- include "fournines.selector" (list .root .service) | nindent 4 }}
  ports:
    - {{ toJson $port }}
    - {name: admin, port: {{ include "fournines.admin-port" . }}, appProtocol: http}
{{- if ne .service "gateway" }}
{{- range .root.Values.zones }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "fournines.name" (list $one.root $one.service .) }}
  labels: {{- include "fournines.labels" (list $one.root $one.service) | nindent 4 }}
spec:
  clusterIP: None
  selector:
    {{- include "fournines.selector" (list $one.root $one.service) | nindent 4 }}
    topology.kubernetes.io/zone: {{ . | quote }}
  ports:
    - {{ toJson $port }}
{{- end }}
{{- else }}
{{- $service := .root.Values.gateway.service }}
---
# The public port, for whatever stands in front.
apiVersion: v1
kind: Service
metadata:
  name: {{ include "fournines.name" (list .root .service) }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
  {{- with $service.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $service.type }}
  {{- if eq $service.type "LoadBalancer" }}
  # Keeps the client's address, which rate limits go by.
  externalTrafficPolicy: Local
  {{- end }}
  selector: {{- include "fournines.selector" (list .root .service) | nindent 4 }}
  ports:
    - {{ toJson $port }}
{{- end }}
{{- end }}
