exports.a = { b: { handler: async () => 'deep' } };
exports.handler = exports.a.b.handler;
