// Draws with OpenAI's SDK for Node, and prints its findings as JSON: node node_client.js URL PNG
const { OpenAI, toFile } = require("openai");

const PROMPT = "a red circle on a blue background";
const QUICK = { model: "demo", prompt: PROMPT, size: "64x64", seed: 7, sample_steps: 2 };

async function types(stream) {
  const found = [];
  for await (const event of stream) {
    found.push([event.type, event.b64_json.length > 100]);
  }
  return found;
}

async function main(url, png) {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });
  const file = () => toFile(Buffer.from(png, "base64"), "picture.png", { type: "image/png" });
  const models = await client.models.list();
  const reply = await client.images.generate({ ...QUICK, n: 2 });
  const edit = await client.images.edit({ ...QUICK, image: await file(), strength: 1 });
  const streaming = { ...QUICK, stream: true, partial_images: 1 };
  const found = {
    models: models.data.map((model) => model.id),
    seeds: reply.data.map((item) => item.seed),
    size: reply.size,
    files: reply.data.map((item) => item.b64_json),
    edit: edit.data[0].b64_json,
    stream: await types(await client.images.generate(streaming)),
    editStream: await types(
      await client.images.edit({ ...streaming, image: [await file()], strength: 1 }),
    ),
  };
  try {
    await client.images.generate({ ...QUICK, size: "9000x9000" });
  } catch (error) {
    found.error = [error.constructor.name, error.status, error.param];
  }
  console.log(JSON.stringify(found));
}

main(...process.argv.slice(2));
