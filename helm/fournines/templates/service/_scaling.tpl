{{/*
One pod at a time, whoever drains nodes. A pod that is not ready may always go: while the database is away none is, and
nodes must still be drained.
*/}}
{{- define "fournines.service.disruption" }}
{{- if ge (int .least) 2 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "fournines.name" (list .root .service) }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "fournines.selector" (list .root .service) | nindent 6 }}
{{- end }}
{{- end }}

{{- define "fournines.service.scaling" }}
{{- if eq .scaled "cpu" }}
{{- $scaling := .values.autoscaling }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "fournines.name" (list .root .service) }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "fournines.name" (list .root .service) }}}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $scaling.targetCPUPercent }}}}
  behavior:
    # A sale begins within a second and is over within minutes: up at once and by as much, down by one after a quiet
    # while.
    scaleUp:
      stabilizationWindowSeconds: 0
      policies: [{type: Percent, value: 100, periodSeconds: 15}]
    scaleDown:
      stabilizationWindowSeconds: 600
      policies: [{type: Pods, value: 1, periodSeconds: 120}]
{{- else if eq .scaled "keda" }}
{{- $scaling := .values.keda }}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "fournines.name" (list .root .service) }}
  labels: {{- include "fournines.labels" (list .root .service) | nindent 4 }}
spec:
  scaleTargetRef: {name: {{ include "fournines.name" (list .root .service) }}}
  minReplicaCount: {{ $scaling.minReplicas }}
  maxReplicaCount: {{ $scaling.maxReplicas }}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        # Each change of the group stops its consumers for a moment: down by one after a quiet while.
        scaleDown:
          stabilizationWindowSeconds: 600
          policies: [{type: Pods, value: 1, periodSeconds: 120}]
  triggers:
    # Without a topic: the lag of all that the group has committed to.
    - type: kafka
      metadata:
        bootstrapServersFromEnv: FOURNINES__KAFKA__BROKERS
        consumerGroup: {{ .root.Values.kafka.prefix }}.{{ .service }}
        lagThreshold: {{ $scaling.lagThreshold | int64 | quote }}
{{- end }}
{{- end }}
