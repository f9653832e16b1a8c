package rootkey

// Weaker makes files whose passphrase is stretched little, so that tests are
// quick.
func Weaker(o Options) Options {
	o.passes, o.memory = 1, 64
	return o
}
