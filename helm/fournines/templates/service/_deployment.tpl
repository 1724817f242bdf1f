{{- define "fournines.service.deployment" }}
{{- $values := .root.Values }}{{ $drain := $values.drain }}{{ $spread := $values.spread }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "fournines.name" (list .root .service) }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
spec:
  {{- if not .scaled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  # A new replica gets its full share of calls after 10 s; only then the next one is replaced.
  minReadySeconds: 10
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels: {{- include "fournines.selector" (list .root .service) | nindent 6 }}
  template:
    metadata:
      labels: {{- include "fournines.selector" (list .root .service) | nindent 8 }}
      annotations:
        # Settings are read when a process starts: other settings, other pods.
        checksum/config: {{ include "fournines.config" . | sha256sum }}
    spec:
      {{- include "fournines.pod" (list .root $values.podSecurity.runAsUser) | nindent 6 }}
      # Until it is off all lists, the drain, 10 s for the tasks that end after it, and 5 s for what is slow on the way.
      terminationGracePeriodSeconds: {{ add $drain.preStopSeconds (divf $drain.timeoutMs 1000 | ceil) 10 5 }}
      topologySpreadConstraints:
        {{- include "fournines.service.spread" (list . "topology.kubernetes.io/zone" $spread.zones) | nindent 8 }}
        {{- include "fournines.service.spread" (list . "kubernetes.io/hostname" $spread.hosts) | nindent 8 }}
      {{- if and $values.dev.enabled .facts.mongodb }}
      # The hook that migrates runs before there is anything, and this database comes with the release.
      initContainers:
        - name: migrate
          {{- include "fournines.service.container" . | nindent 10 }}
          args: [--config, /etc/fournines/config/config.toml, migrate]
      {{- end }}
      containers:
        - name: {{ .service }}
          {{- include "fournines.service.container" . | nindent 10 }}
          args: [--config, /etc/fournines/config/config.toml]
          ports:
            - {name: {{ ternary "http" "grpc" (eq .service "gateway") }}, containerPort: {{ .facts.port }}}
            - {name: admin, containerPort: {{ include "fournines.admin-port" . }}}
          {{- include "fournines.service.probes" . | nindent 10 }}
          lifecycle:
            preStop:
              # Images have no shell: the kubelet waits.
              sleep: {seconds: {{ $drain.preStopSeconds }}}
      volumes: {{- include "fournines.service.volumes" . | nindent 8 }}
{{- end }}

{{/* What the container that serves and the one that migrates have in common. */}}
{{- define "fournines.service.container" -}}
image: {{ include "fournines.image" (list .root .service) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- $env := include "fournines.service.env" . | trim }}
{{- if $env }}
env: {{- $env | nindent 2 }}
{{- end }}
resources: {{- toYaml .values.resources | nindent 2 }}
{{ include "fournines.container-security" . }}
volumeMounts:
  - {name: config, mountPath: /etc/fournines/config, readOnly: true}
  {{- if .facts.keys }}
  - {name: keys, mountPath: /etc/fournines/keys, readOnly: true}
  {{- end }}
  {{- if .root.Values.mtls.enabled }}
  - {name: tls, mountPath: /etc/fournines/tls, readOnly: true}
  {{- end }}
{{- end }}

{{- define "fournines.service.env" -}}
{{- $one := . }}
{{- include "fournines.secret-env" . }}
{{- range .facts.calls }}
{{- if eq (include "fournines.is-zonal" (dict "root" $one.root "from" $one.service "to" .)) "true" }}
- name: FOURNINES__UPSTREAMS__{{ upper . }}__ZONE
  valueFrom:
    fieldRef: {fieldPath: "metadata.labels['topology.kubernetes.io/zone']"}
{{- end }}
{{- end }}
{{- end }}

{{/*
matchLabelKeys: while pods are replaced, old and new ones are spread each for themselves. Otherwise the new ones fill
the gaps that the old ones leave, and are crowded together at the end.
*/}}
{{- define "fournines.service.spread" -}}
{{- $one := first . -}}
- maxSkew: 1
  topologyKey: {{ index . 1 }}
  whenUnsatisfiable: {{ last . }}
  labelSelector:
    matchLabels: {{- include "fournines.selector" (list $one.root $one.service) | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}

{{/*
The keys that a service needs, each as a file of its own. Only the user of the process may read them.
*/}}
{{- define "fournines.service.volumes" -}}
{{- $root := .root -}}{{- $secrets := $root.Values.secrets -}}{{- $bootstrap := $root.Values.bootstrap -}}
- name: config
  configMap: {name: {{ include "fournines.name" (list .root .service "config") }}}
{{- if $root.Values.mtls.enabled }}
# What cert-manager has made. As a whole: files that are mounted one by one are not renewed.
- name: tls
  secret: {secretName: {{ include "fournines.name" (list .root .service "tls") }}, defaultMode: 0440}
{{- end }}
{{- with .facts.keys }}
- name: keys
  projected:
    defaultMode: 0440
    sources:
      {{- if has "pageTokens" . }}
      {{- include "fournines.service.key" (list $root $secrets.pageTokens "page-tokens") | nindent 6 }}
      {{- end }}
      {{- if has "tokenSigning" . }}
      {{- include "fournines.service.key" (list $root $secrets.tokenSigning "token-signing.pem") | nindent 6 }}
      {{- range $number, $key := $secrets.previousPublicKeys }}
      - secret: {name: {{ $key.name }}, items: [{key: {{ $key.key }}, path: previous-{{ $number }}.pem}]}
      {{- end }}
      {{- end }}
      {{- if and (has "bootstrap" .) (include "fournines.admin-email" $root) }}
      {{- include "fournines.service.key" (list $root $bootstrap.passwordSecret "admin-password") | nindent 6 }}
      {{- end }}
      {{- if has "cardApiKey" . }}
      {{- include "fournines.service.key" (list $root $secrets.cardApiKey "card-api-key") | nindent 6 }}
      {{- end }}
{{- end }}
{{- end }}

{{- define "fournines.service.key" -}}
{{- $secret := include "fournines.secret" . | fromJson -}}
- secret: {name: {{ $secret.name }}, items: [{key: {{ $secret.key }}, path: {{ last . }}}]}
{{- end }}
