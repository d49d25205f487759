throw new RangeError('in init');
