{{/*
Labels and annotations of a pod: dict "root" . "component" … "tier" …. None of them names a version: a new one of the
chart alone must not replace all workers.
*/}}
{{- define "switchboard.podMetadata" -}}
labels:
  {{- include "switchboard.selector" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Fields that every pod has. Service links would set FLOWER_PORT, REDIS_PORT and the like to an address. */}}
{{- define "switchboard.podSpec" -}}
serviceAccountName: {{ include "switchboard.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  # Each start would else go through all files of a volume, and let the group read them.
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
# A name server that is away holds the main process up for each name that it tries. With fewer names and tries that stays
# far below the minute after which a worker counts as dead.
dnsConfig:
  options:
    - { name: ndots, value: "2" }
    - { name: timeout, value: "2" }
    - { name: attempts, value: "2" }
{{- end -}}

{{- define "switchboard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Spread over nodes and zones: the arguments of switchboard.selector. Pods of an earlier version do not count. */}}
{{- define "switchboard.spread" -}}
{{- $arguments := . -}}
{{- range $index, $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
{{- if $index }}
{{ end }}- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "switchboard.selector" $arguments | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end -}}

{{/* The secrets of a process, as files: dict "root" . "redisKey" … "livekit" true "encryption" true "database" true "console" true "flower" true. */}}
{{- define "switchboard.secrets" -}}
{{- $values := .root.Values -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ required "redis.existingSecret has to be set: the name of a Secret with the URLs of Redis" $values.redis.existingSecret }}
          items:
            - { key: {{ .redisKey }}, path: redis_url }
      {{- if .livekit }}
      - secret:
          name: {{ required "livekit.existingSecret has to be set: the name of a Secret with an API key and its secret" $values.livekit.existingSecret }}
          items:
            - { key: {{ $values.livekit.apiKeyKey }}, path: livekit_api_key }
            - { key: {{ $values.livekit.apiSecretKey }}, path: livekit_api_secret }
      {{- end }}
      {{- if and .encryption $values.encryption.existingSecret }}
      - secret:
          name: {{ $values.encryption.existingSecret }}
          items:
            - { key: {{ $values.encryption.key }}, path: encryption_keys }
      {{- end }}
      {{- if .database }}
      - secret:
          name: {{ required "database.existingSecret has to be set: the name of a Secret with the URL of a PostgreSQL server (or set records.enabled and console.enabled to false)" $values.database.existingSecret }}
          items:
            - { key: {{ $values.database.key }}, path: database_url }
      {{- end }}
      {{- if and .console $values.console.operators.existingSecret }}
      - secret:
          name: {{ $values.console.operators.existingSecret }}
          items:
            - { key: {{ $values.console.operators.key }}, path: console_operators }
      {{- end }}
      {{- if and .console $values.console.openid.existingSecret }}
      - secret:
          name: {{ $values.console.openid.existingSecret }}
          items:
            - { key: {{ $values.console.openid.clientSecretKey }}, path: console_openid }
      {{- end }}
      {{- if .flower }}
      - secret:
          name: {{ required "flower.existingSecret has to be set: the name of a Secret with the dashboard's password (or set flower.enabled to false)" $values.flower.existingSecret }}
          items:
            - { key: {{ $values.flower.passwordKey }}, path: flower_password }
            - { key: {{ $values.flower.cookieSecretKey }}, path: flower_cookie_secret }
      {{- end }}
{{- end -}}

{{- define "switchboard.secretsMount" -}}
- { name: secrets, mountPath: /run/secrets/switchboard, readOnly: true }
{{- end -}}

{{/*
Variables that every process has, with "livekit" those of the LiveKit server, with "tracing" those of OpenTelemetry, and with
"uploads" the console's address for those that send it recordings or read them there: the arguments of secrets.
*/}}
{{- define "switchboard.environment" -}}
{{- $values := .root.Values -}}
- { name: REDIS_URL_FILE, value: /run/secrets/switchboard/redis_url }
{{- if .livekit }}
- { name: LIVEKIT_URL, value: {{ required "livekit.url has to be set: ws://… or wss://…" $values.livekit.url | quote }} }
- { name: LIVEKIT_API_KEY_FILE, value: /run/secrets/switchboard/livekit_api_key }
- { name: LIVEKIT_API_SECRET_FILE, value: /run/secrets/switchboard/livekit_api_secret }
{{- end }}
{{- if and .encryption $values.encryption.existingSecret }}
- { name: SWITCHBOARD_ENCRYPTION_KEYS_FILE, value: /run/secrets/switchboard/encryption_keys }
{{- end }}
{{- if .database }}
- { name: SWITCHBOARD_DATABASE_URL_FILE, value: /run/secrets/switchboard/database_url }
{{- end }}
{{- if and .uploads $values.console.enabled }}
- { name: SWITCHBOARD_CONSOLE_URL, value: "http://{{ include "switchboard.fullname" .root }}-console.{{ .root.Release.Namespace }}:{{ $values.console.port }}" }
{{- end }}
{{- if and .tracing $values.tracing.endpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ $values.tracing.endpoint | quote }} }
{{- with $values.tracing.existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: { name: {{ . }}, key: {{ $values.tracing.headersKey }} }
{{- end }}
{{- range $name, $value := $values.tracing.variables }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- end }}
{{- $settings := merge (dict) $values.settings (dict "SWITCHBOARD_TIERS" (include "switchboard.tiers" .root | fromJson | keys | sortAlpha | join ",")) }}
{{- range $name, $value := $settings }}
- { name: {{ $name }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- if .livekit }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}
