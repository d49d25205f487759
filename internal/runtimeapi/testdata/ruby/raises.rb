raise "in init"
