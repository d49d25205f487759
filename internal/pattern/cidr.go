package pattern

import (
	"net/netip"
	"strconv"
	"strings"
)

// parseCIDR reads a range of addresses, written address/bits. It begins at the
// address itself, as AWS's do, whatever bits the address has set.
func parseCIDR(text string) (addresses, error) {
	parts := strings.Split(strings.TrimRight(text, "/"), "/")
	if len(parts) != 2 {
		return addresses{}, &Error{"Malformed CIDR, one '/' required"}
	}
	bits, err := strconv.ParseInt(parts[1], 10, 32)
	if err != nil {
		return addresses{}, &Error{"Malformed CIDR, mask bits must be an integer"}
	}
	if bits < 0 {
		return addresses{}, &Error{"Malformed CIDR, mask bits must not be negative"}
	}
	low, ok := parseAddress(parts[0])
	switch {
	case !ok:
		return addresses{}, &Error{"Nonstandard IP address: " + parts[0]}
	case low.Is4() && bits > 32:
		return addresses{}, &Error{"IPv4 mask bits must be < 33"}
	case bits > 128:
		return addresses{}, &Error{"IPv6 mask bits must be < 129"}
	}
	return addresses{low, last(low, int(bits))}, nil
}

// last returns the last address that has the first bits of a.
func last(a netip.Addr, bits int) netip.Addr {
	b := a.AsSlice()
	for i := range b {
		switch kept := bits - 8*i; {
		case kept <= 0:
			b[i] = 0xff
		case kept < 8:
			b[i] |= 0xff >> kept
		}
	}
	high, _ := netip.AddrFromSlice(b)
	return high
}
