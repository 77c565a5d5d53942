{{/*
The tiers by name, each with the values of `workers` and its own over them; the result is JSON. One that is not
enabled is left out, and so is one that is null: helm removes it itself, but not always where this chart is a part of
another one.
*/}}
{{- define "switchboard.tiers" -}}
{{- $tiers := dict -}}
{{- range $name, $own := .Values.tiers -}}
{{- if and (not (kindIs "invalid" $own)) (dig "enabled" true (default (dict) $own)) -}}
{{- $tier := include "switchboard.overlay" (dict "under" $.Values.workers "over" $own) | fromJson -}}
{{- $_ := set $tier "queues" (default (list $name) $tier.queues) -}}
{{- $_ := set $tier "tiers" (default (list $name) $tier.tiers) -}}
{{- $_ := set $tiers $name $tier -}}
{{- end -}}
{{- end -}}
{{- if not $tiers -}}
{{- fail "\ntiers has no tier: nobody would answer a call." -}}
{{- end -}}
{{- toJson $tiers -}}
{{- end -}}

{{/*
Two values, one over the other; the result is JSON. Sprig's merge takes false, 0 and null for nothing, so that a tier
could not set `enabled: false`. A null leaves what is under it.
*/}}
{{- define "switchboard.overlay" -}}
{{- $result := dict -}}
{{- range $key, $value := .under -}}
{{- $_ := set $result $key $value -}}
{{- end -}}
{{- range $key, $value := .over -}}
{{- $under := get $result $key -}}
{{- if and (kindIs "map" $value) (kindIs "map" $under) -}}
{{- $_ := set $result $key (include "switchboard.overlay" (dict "under" $under "over" $value) | fromJson) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $result $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $result -}}
{{- end -}}

{{/* terminationGracePeriodSeconds of a tier's workers. dict "name" … "tier" … "root" . */}}
{{- define "switchboard.grace" -}}
{{- $needed := add (int .tier.drainSeconds) (int .tier.exitSeconds) -}}
{{- $grace := $needed -}}
{{- if not (kindIs "invalid" .tier.terminationGracePeriodSeconds) -}}
{{- $grace = int .tier.terminationGracePeriodSeconds -}}
{{- if lt (int $grace) (int $needed) -}}
{{- fail (printf "\ntiers.%s: terminationGracePeriodSeconds is %d, but a drain takes up to %d s: drainSeconds %d + exitSeconds %d. Calls would be killed and not handed over. Raise it, lower drainSeconds, or leave it out." .name (int $grace) (int $needed) (int .tier.drainSeconds) (int .tier.exitSeconds)) -}}
{{- end -}}
{{- end -}}
{{- if gt (int $grace) (int .root.Values.cluster.maxStopSeconds) -}}
{{- fail (printf "\ntiers.%s: its pods may take %d s to stop, but cluster.maxStopSeconds says that this cluster kills a pod after %d s. Lower drainSeconds to at most %d, or raise both limits." .name (int $grace) (int .root.Values.cluster.maxStopSeconds) (sub (int .root.Values.cluster.maxStopSeconds) (int .tier.exitSeconds))) -}}
{{- end -}}
{{- $grace -}}
{{- end -}}

{{/* MiB for all calls of a pod at their limit, and one that is killed only at twice its limit. */}}
{{- define "switchboard.memoryLimit" -}}
{{- add (int .memory.baseMb) (mul (add1 (int .callsPerPod)) (int .memory.callLimitMb)) -}}
{{- end -}}

{{/*
Resources of a tier's workers. No limit of CPU: in a quota, six calls that speak in the same tenth of a second would be
stopped for the rest of it, and be heard to. dict "name" … "tier" …
*/}}
{{- define "switchboard.workerResources" -}}
{{- $tier := .tier -}}
{{- $limit := include "switchboard.memoryLimit" $tier | int -}}
{{- $millicores := mulf (float64 $tier.callCores) (float64 $tier.callsPerPod) 1000 | ceil | int -}}
{{- $requests := dict "cpu" (printf "%dm" $millicores) "memory" (printf "%dMi" (add (int $tier.memory.baseMb) (mul (int $tier.callsPerPod) (int $tier.memory.callMb)))) -}}
{{- $derived := dict "requests" $requests "limits" (dict "memory" (printf "%dMi" $limit)) -}}
{{- $resources := include "switchboard.overlay" (dict "under" $derived "over" (default (dict) $tier.resources)) | fromJson -}}
{{- $memory := $resources.limits.memory | toString -}}
{{- $given := 0 -}}
{{- if hasSuffix "Gi" $memory -}}
{{- $given = mulf (trimSuffix "Gi" $memory | float64) 1024 | int -}}
{{- else if hasSuffix "Mi" $memory -}}
{{- $given = trimSuffix "Mi" $memory | int -}}
{{- else -}}
{{- fail (printf "\ntiers.%s: resources.limits.memory is %s; give it in Mi or Gi." .name $memory) -}}
{{- end -}}
{{- if lt $given $limit -}}
{{- fail (printf "\ntiers.%s: resources.limits.memory is %s, but its calls may take %dMi: memory.baseMb %d + (callsPerPod %d + 1) x memory.callLimitMb %d. At its limit the kernel kills all calls of a pod, not one. Raise it, or lower memory.callLimitMb." .name $memory $limit (int $tier.memory.baseMb) (int $tier.callsPerPod) (int $tier.memory.callLimitMb)) -}}
{{- end -}}
{{- with $resources.limits.cpu -}}
{{- $quota := toString . -}}
{{- $cores := hasSuffix "m" $quota | ternary (divf (trimSuffix "m" $quota | float64) 1000) (float64 $quota) -}}
{{- if lt $cores (mulf (float64 $tier.callCores) (float64 $tier.callsPerPod)) -}}
{{- fail (printf "\ntiers.%s: resources.limits.cpu is %s, but callsPerPod %d x callCores %v is %dm. Its workers would take no more calls before they have %d, and autoscaling would not notice." $.name $quota (int $tier.callsPerPod) $tier.callCores $millicores (int $tier.callsPerPod)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
