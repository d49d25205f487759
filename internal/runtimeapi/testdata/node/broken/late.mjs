setImmediate(() => {
  throw new Error('while loading');
});
await new Promise((resolve) => setTimeout(resolve, 60000));
