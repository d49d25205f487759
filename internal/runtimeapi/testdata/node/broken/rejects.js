Promise.reject(new Error('nobody cares'));
exports.handler = async () => 'never';
