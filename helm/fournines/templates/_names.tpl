{{/* The name of an object: list $ "order" "headless" gives RELEASE-order-headless. Names that are cut could meet. */}}
{{- define "fournines.name" -}}
{{- $root := first . -}}
{{- $name := prepend (rest .) $root.Release.Name | join "-" -}}
{{- if gt (len $name) 63 -}}
{{- fail (printf "%s is longer than the 63 characters of a name: choose a shorter name for the release" $name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{/* What selects the pods of a component: list $ "order". */}}
{{- define "fournines.selector" -}}
app.kubernetes.io/name: fournines
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* All labels: list $ "order". */}}
{{- define "fournines.labels" -}}
{{- $root := first . -}}
{{ include "fournines.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{/* The image of a service: list $ "order". */}}
{{- define "fournines.image" -}}
{{- $image := (first .).Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}fournines/{{ last . }}:{{ $image.tag | default (first .).Chart.AppVersion }}
{{- end }}

{{/*
The headless Service of a component as a complete name, for dns:// targets. It ends with a dot: otherwise each lookup
goes through the search list first.
*/}}
{{- define "fournines.host" -}}
{{- $root := first . -}}
{{ include "fournines.name" . }}.{{ $root.Release.Namespace }}.svc.{{ $root.Values.clusterDomain }}.
{{- end }}
