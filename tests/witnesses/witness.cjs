// Reads tasks as a JSON array from standard input, does each with wechatpay-axios-plugin, and
// prints the array of what came out.
const { Aes, Decorator, Hash, Transformer } = require('wechatpay-axios-plugin');

function signatureOf(fields, key) {
  const type = fields.sign.length === 64 ? Hash.ALGO_HMAC_SHA256 : Hash.ALGO_MD5;
  return Hash.sign(type, fields, key);
}

const tasks = {
  sign: ({ fields, key, type }) => Hash.sign(type, fields, key),
  render: ({ fields }) => Transformer.toXml(fields),
  verify: ({ body, key }) => {
    const fields = Transformer.toObject(body);
    return Hash.equals(signatureOf(fields, key), fields.sign);
  },
  seal: ({ plain, key }) => Aes.AesEcb.encrypt(plain, Hash.md5(key)),
  open: ({ sealed, key }) => Aes.AesEcb.decrypt(sealed, Hash.md5(key)),

  // As a client of its own: place an order, let the buyer pay, refund over mutual TLS, ask.
  async refund({ url, secret, merchant, order, refund, question }) {
    const pay = Decorator.xmlBased({ baseURL: url, mchid: order.mch_id, secret, merchant });
    const placed = await pay.post('/pay/unifiedorder', order);
    await fetch(`${url}/_control/pay`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ out_trade_no: order.out_trade_no }),
    });
    const accepted = await pay.post('/secapi/pay/refund', refund, { security: true });
    const state = await pay.post('/pay/refundquery', question);
    return { placed: placed.data, accepted: accepted.data, state: state.data };
  },
};

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const done = [];
  for (const task of JSON.parse(Buffer.concat(chunks))) done.push(await tasks[task.do](task));
  process.stdout.write(JSON.stringify(done));
}

main();
