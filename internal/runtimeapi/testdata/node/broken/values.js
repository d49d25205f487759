exports.text = 'not a function';
