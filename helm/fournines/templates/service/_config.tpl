{{- define "fournines.service.config" }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "fournines.name" (list .root .service "config") }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
data:
  config.toml: |
    {{- include "fournines.config" . | trim | nindent 4 }}
{{- end }}
