exports.handler = async () => 'cjs in a folder of modules';
