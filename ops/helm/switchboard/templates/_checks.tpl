{{/* Values that fit no schema, because each alone is right. Included once, by the receivers. */}}
{{- define "switchboard.checks" -}}
{{- $secret := list "LIVEKIT_API_KEY" "LIVEKIT_API_SECRET" "REDIS_URL" "SWITCHBOARD_ENCRYPTION_KEYS" "SWITCHBOARD_DATABASE_URL" "SWITCHBOARD_CONSOLE_OPERATORS" "SWITCHBOARD_CONSOLE_OPENID_CLIENT_SECRET" "SWITCHBOARD_FLOWER_PASSWORD" "SWITCHBOARD_FLOWER_COOKIE_SECRET" -}}
{{- $derived := dict "LIVEKIT_URL" "livekit.url" "SWITCHBOARD_SLOTS" "workers.callsPerPod" "SWITCHBOARD_DRAIN_SECONDS" "workers.drainSeconds" "SWITCHBOARD_CALL_MEMORY_MB" "workers.memory.callMb" "SWITCHBOARD_CALL_MEMORY_LIMIT_MB" "workers.memory.callLimitMb" -}}
{{- if .Values.console.enabled -}}
{{- $derived = merge $derived (dict "SWITCHBOARD_CONSOLE_URL" "console.enabled" "SWITCHBOARD_CONSOLE_PUBLIC_URL" "console.publicUrl" "SWITCHBOARD_CONSOLE_OPENID_ISSUER" "console.openid.issuer" "SWITCHBOARD_CONSOLE_OPENID_CLIENT_ID" "console.openid.clientId" "SWITCHBOARD_CONSOLE_OPENID_CLAIM" "console.openid.claim" "SWITCHBOARD_CONSOLE_OPENID_ROLES" "console.openid.roles" "SWITCHBOARD_RECORDINGS_URL" "console.recordings.url" "SWITCHBOARD_RECORDINGS_ENCRYPTED" "console.recordings.encrypted") -}}
{{- end -}}
{{- $names := keys .Values.settings -}}
{{- range .Values.extraEnv }}{{ $names = append $names .name }}{{ end -}}
{{- range $name := $names -}}
{{- if has (trimSuffix "_FILE" $name) $secret -}}
{{- fail (printf "\n%s is a secret: name the Secret that has it (existingSecret) instead." $name) -}}
{{- end -}}
{{- with get $derived $name -}}
{{- fail (printf "\n%s follows from %s: set that." $name .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.probe.enabled (not .Values.probe.tenants) -}}
{{- fail "\nprobe.tenants is empty: name a tenant that is called, or set probe.enabled to false." -}}
{{- end -}}
{{- range $name := keys .Values.tracing.variables -}}
{{- if or (hasSuffix "_HEADERS" $name) (hasSuffix "OTLP_ENDPOINT" $name) -}}
{{- fail (printf "\ntracing.variables has %s: set tracing.%s." $name (ternary "existingSecret, as it is a secret" "endpoint" (hasSuffix "_HEADERS" $name))) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.tracing.variables (not .Values.tracing.endpoint) -}}
{{- fail "\ntracing.variables without tracing.endpoint: there would be no traces." -}}
{{- end -}}
{{- include "switchboard.consoleChecks" . -}}
{{- $taken := list -}}
{{- range $name, $tier := include "switchboard.tiers" . | fromJson -}}
{{- if and $tier.autoscaling.enabled (not $.Values.exporter.enabled) (not $.Values.prometheus.matchers) -}}
{{- fail (printf "\ntiers.%s: autoscaling reads the exporter's metrics: set exporter.enabled to true, or prometheus.matchers to the labels of another exporter." $name) -}}
{{- end -}}
{{- end -}}
{{- range include "switchboard.tiers" . | fromJson -}}
{{- $taken = concat $taken .queues -}}
{{- end -}}
{{- with .Values.settings.SWITCHBOARD_TIERS -}}
{{- $queues := list -}}
{{- range splitList "," . -}}
{{- $queues = append $queues (splitList "=" . | last | trim) -}}
{{- end -}}
{{- range $queues -}}
{{- if not (has . $taken) -}}
{{- fail (printf "\nSWITCHBOARD_TIERS has the queue %s, and no entry of tiers takes it: its calls would never be answered." .) -}}
{{- end -}}
{{- end -}}
{{- range $taken -}}
{{- if not (has . $queues) -}}
{{- fail (printf "\ntiers has workers for the queue %s, which is none of SWITCHBOARD_TIERS: they would not start." .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
