#!/bin/sh
# Makes the namespace and the search attributes that the workflows set. Run again, it changes
# nothing. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE say where.
set -eu

: "${RETENTION:=720h}" # how long an ended run can be looked at
: "${ATTEMPTS:=60}"

until temporal operator cluster health >/dev/null 2>&1; do
    ATTEMPTS=$((ATTEMPTS - 1))
    [ "$ATTEMPTS" -gt 0 ] || { echo "no Temporal at $TEMPORAL_ADDRESS"; exit 1; }
    sleep 1
done

if ! temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
fi

# A new namespace takes some seconds to be known everywhere.
until known="$(temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" 2>/dev/null)"; do
    ATTEMPTS=$((ATTEMPTS - 1))
    [ "$ATTEMPTS" -gt 0 ] || { echo "no namespace $TEMPORAL_NAMESPACE"; exit 1; }
    sleep 1
done
for attribute in OrderState:Keyword AfterSaleState:Keyword MerchantId:Keyword DeadlineAt:Datetime; do
    name="${attribute%:*}" type="${attribute#*:}"
    case "$known" in
        *"$name"*) ;;
        *) temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" \
            --name "$name" --type "$type" ;;
    esac
done
echo "namespace $TEMPORAL_NAMESPACE: ready"
