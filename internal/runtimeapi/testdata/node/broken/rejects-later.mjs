Promise.reject(new Error('nobody cares'));
await new Promise((resolve) => setTimeout(resolve, 60000));
