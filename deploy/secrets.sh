#!/bin/sh
# Makes the passwords that docker-compose.yml wants in secrets/, and says what a person must add.
# `sh deploy/secrets.sh sandbox` adds the simulator's key and tokens instead. Keeps what is there.
set -eu
umask 022
mkdir -p secrets
chmod 700 secrets # each container reads its own files, others on this machine none

keep() {
    [ -e "secrets/$1" ] || cat >"secrets/$1"
    chmod 444 "secrets/$1"
}

for name in postgres_password shop_password temporal_password grafana_password; do
    head -c 24 /dev/urandom | base64 | tr '+/' '-_' | keep "$name"
done
keep webhook_secret </dev/null
keep payload_keys </dev/null
keep wechat_previous_api_key </dev/null

if [ "${1:-}" = sandbox ]; then
    printf '%s' sandbox0key0of0wechat0order0flow | keep wechat_api_key
    keep wechat_cert </dev/null
    keep wechat_key </dev/null
    keep api_tokens <<'JSON'
{
  "sandbox-shop": {"name": "sandbox shop", "role": "shop"},
  "sandbox-merchant": {"name": "Mei (merchant)", "role": "merchant", "merchant_id": "m1"},
  "sandbox-platform": {"name": "Ping (platform)", "role": "platform"},
  "sandbox-finance": {"name": "Fang (finance)", "role": "finance"},
  "sandbox-finance-2": {"name": "Feng (finance)", "role": "finance"},
  "sandbox-auditor": {"name": "Shen (auditor)", "role": "auditor"},
  "sandbox-admin": {"name": "Ada (admin)", "role": "admin"}
}
JSON
fi
for name in api_tokens wechat_api_key wechat_cert wechat_key; do
    [ -e "secrets/$name" ] || echo "still missing: secrets/$name"
done
