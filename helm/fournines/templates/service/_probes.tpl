{{/*
Three questions that differ.

Startup and liveness ask the admin port's /healthz: does the process still run its tasks? It must not be anything that
depends on others. The gRPC health service says NOT_SERVING while the database is away, and a liveness probe that asks
it would restart every pod of the platform in the middle of an election. Startup is the same question: ports are bound
first, and what a process needs is waited for without an end, so all that startup does is to ask more often until the
first answer. Liveness takes a minute to decide: a node without spare CPU is no reason to restart what will be late
anyway.

Readiness asks what callers ask. For gRPC services that is grpc.health.v1 with the empty name, on the port that is
called; balancers of other services ask the same. The gateway's is /readyz, which is on both its ports; it is asked on
the admin port, since the public one has the most connections just when no gateway must be taken off: all would go
together. Load that is too much is refused there by rate and concurrency limits, not by being unready.

With mutual TLS /readyz is asked of every service: the kubelet has no certificate to show. It says what the gRPC health
service says, but from the other port.
*/}}
{{- define "fournines.service.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  {{- if or (eq .service "gateway") .root.Values.mtls.enabled }}
  httpGet: {path: /readyz, port: admin}
  {{- else }}
  grpc: {port: {{ .facts.port }}}
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 2
{{- end }}
