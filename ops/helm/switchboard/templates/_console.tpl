{{/* Values of the console that fit no schema, because each alone is right. Included by the other checks. */}}
{{- define "switchboard.consoleChecks" -}}
{{- $console := .Values.console -}}
{{- if $console.enabled -}}
{{- if not .Values.records.enabled -}}
{{- fail "\nconsole.enabled without records.enabled: nobody would write the calls that it shows." -}}
{{- end -}}
{{- if not (or $console.operators.existingSecret $console.openid.issuer) -}}
{{- fail "\nThe console has no operators: set console.operators.existingSecret to the name of a Secret with the lines of `switchboard console password`, or console.openid." -}}
{{- end -}}
{{- if and $console.openid.issuer (not (and $console.openid.clientId $console.openid.roles $console.publicUrl)) -}}
{{- fail "\nconsole.openid.issuer needs console.openid.clientId, console.openid.roles, without which nobody has a role, and console.publicUrl, to which the provider sends browsers back." -}}
{{- end -}}
{{- if and (not $console.openid.issuer) (or $console.openid.clientId $console.openid.existingSecret $console.openid.roles) -}}
{{- fail "\nconsole.openid without console.openid.issuer: nobody could sign in by it." -}}
{{- end -}}
{{- if and $console.ingress.enabled (not (hasPrefix "https://" $console.publicUrl)) -}}
{{- fail "\nconsole.ingress needs console.publicUrl, the address for browsers, with https: passwords and cookies could be read on the way." -}}
{{- end -}}
{{- if and (gt (int $console.replicas) 1) (include "switchboard.consoleOneNode" .) -}}
{{- fail (printf "\nconsole.replicas is %d, but recordings are on a volume that one node alone may write to: set console.recordings.url to a bucket, or the volume's accessModes to [ReadWriteMany]." (int $console.replicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" if recordings are on a volume that only one node may write to, and "" if not. */}}
{{- define "switchboard.consoleOneNode" -}}
{{- if and (not .Values.console.recordings.url) (not (has "ReadWriteMany" .Values.console.recordings.volume.accessModes)) -}}
true
{{- end -}}
{{- end -}}

{{/* Variables that the console alone has. */}}
{{- define "switchboard.consoleEnvironment" -}}
{{- $console := .Values.console -}}
{{- if $console.operators.existingSecret }}
- { name: SWITCHBOARD_CONSOLE_OPERATORS_FILE, value: /run/secrets/switchboard/console_operators }
{{- end }}
{{- with $console.publicUrl }}
- { name: SWITCHBOARD_CONSOLE_PUBLIC_URL, value: {{ . | quote }} }
{{- end }}
{{- with $console.openid }}
{{- if .issuer }}
- { name: SWITCHBOARD_CONSOLE_OPENID_ISSUER, value: {{ .issuer | quote }} }
- { name: SWITCHBOARD_CONSOLE_OPENID_CLIENT_ID, value: {{ .clientId | quote }} }
{{- if .existingSecret }}
- { name: SWITCHBOARD_CONSOLE_OPENID_CLIENT_SECRET_FILE, value: /run/secrets/switchboard/console_openid }
{{- end }}
- { name: SWITCHBOARD_CONSOLE_OPENID_CLAIM, value: {{ .claim | quote }} }
- { name: SWITCHBOARD_CONSOLE_OPENID_ROLES, value: {{ .roles | quote }} }
{{- end }}
{{- end }}
- { name: SWITCHBOARD_RECORDINGS_URL, value: {{ default "file:///var/lib/switchboard/recordings" $console.recordings.url | quote }} }
{{- if $console.recordings.encrypted }}
- { name: SWITCHBOARD_RECORDINGS_ENCRYPTED, value: "true" }
{{- end }}
{{- with $console.proxies }}
- { name: FORWARDED_ALLOW_IPS, value: {{ join "," . | quote }} }
{{- end }}
- { name: UVICORN_HOST, value: 0.0.0.0 }
- { name: UVICORN_PORT, value: {{ $console.port | quote }} }
- { name: UVICORN_TIMEOUT_KEEP_ALIVE, value: "75" }
- { name: UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN, value: "25" }
{{- with $console.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
