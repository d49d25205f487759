// until asks again and again until what it asks for is so, and returns that.
// It gives up after a while and says what it waited for.
export async function until(what, ask, { within = 20_000, every = 20 } = {}) {
  const deadline = Date.now() + within;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${within} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
