package egress

import (
	"fmt"
	"net/netip"
)

// Flag is the option by which an operator allows addresses.
const Flag = "--tenant-egress-allow"

// Policy says which addresses may be called. The zero Policy allows what is
// public.
type Policy struct{ allowed []netip.Prefix }

// ParsePolicy reads the addresses and networks an operator allows on top of what
// is public: "127.0.0.0/8", "fd00::/8", "10.1.2.3".
func ParsePolicy(allowed []string) (Policy, error) {
	var p Policy
	for _, text := range allowed {
		prefix, err := parse(text)
		if err != nil {
			return Policy{}, fmt.Errorf("%s: %q is neither an IP address nor a network such as 10.0.0.0/8", Flag, text)
		}
		p.allowed = append(p.allowed, prefix)
	}
	return p, nil
}

func parse(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// RefusedError says which address was not called, and why.
type RefusedError struct {
	Addr netip.Addr
	// What the address is: "a loopback address".
	What string
}

// Error names the way out.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is %s, which the hub does not call for a tenant; its operator can allow that with %s", e.Addr, e.What, Flag)
}

// Check returns a *RefusedError for an address that may not be called.
func (p Policy) Check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	if p.allows(addr) {
		return nil
	}
	if what := special(addr); what != "" {
		return &RefusedError{Addr: addr, What: what}
	}
	if inner, ok := carried(addr); ok {
		return p.Check(inner)
	}
	return nil
}

func (p Policy) allows(addr netip.Addr) bool {
	for _, prefix := range p.allowed {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// special says what an address is that is not the public address of a host, or
// nothing.
func special(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "no address"
	case addr.IsUnspecified():
		return "the unspecified address"
	case addr.IsLoopback():
		return "a loopback address"
	case addr.IsLinkLocalUnicast():
		return "a link-local address"
	case addr.IsMulticast():
		return "a multicast address"
	}
	for _, network := range networks {
		if network.prefix.Contains(addr) {
			return network.what
		}
	}
	return ""
}

// network is a part of the address space that does not belong to the public.
type network struct {
	prefix netip.Prefix
	what   string
}

// networks are those of the special-purpose registries (RFC 6890) by which a
// host inside can be reached, and the metadata services that clouds put at
// addresses which look public. More special ones come first.
var networks = []network{
	{netip.MustParsePrefix("168.63.129.16/32"), "the address of a cloud's metadata service"},
	{netip.MustParsePrefix("100.100.100.200/32"), "the address of a cloud's metadata service"},
	{netip.MustParsePrefix("192.0.0.192/32"), "the address of a cloud's metadata service"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "the address of a cloud's metadata service"},
	{netip.MustParsePrefix("fd20:ce::/32"), "the address of a cloud's metadata service"},
	{netip.MustParsePrefix("0.0.0.0/8"), "an address of this host"},
	{netip.MustParsePrefix("10.0.0.0/8"), "an address of a private network"},
	{netip.MustParsePrefix("172.16.0.0/12"), "an address of a private network"},
	{netip.MustParsePrefix("192.168.0.0/16"), "an address of a private network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "an address of a provider's network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved address"},
	{netip.MustParsePrefix("192.0.2.0/24"), "a reserved address"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a reserved address"},
	{netip.MustParsePrefix("198.51.100.0/24"), "a reserved address"},
	{netip.MustParsePrefix("203.0.113.0/24"), "a reserved address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},
	{netip.MustParsePrefix("::/96"), "a reserved address"},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), "a reserved address"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "an address of a private network"},
	{netip.MustParsePrefix("100::/64"), "a reserved address"},
	{netip.MustParsePrefix("2001::/23"), "a reserved address"},
	{netip.MustParsePrefix("2001:db8::/32"), "a reserved address"},
	{netip.MustParsePrefix("3fff::/20"), "a reserved address"},
	{netip.MustParsePrefix("5f00::/16"), "a reserved address"},
	{netip.MustParsePrefix("fc00::/7"), "an address of a private network"},
	{netip.MustParsePrefix("fec0::/10"), "an address of a private network"},
}

var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96")
	sixTo = netip.MustParsePrefix("2002::/16")
)

// carried returns the IPv4 address that a gateway reads out of an IPv6 one.
func carried(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	bytes := addr.As16()
	switch {
	case nat64.Contains(addr):
		return netip.AddrFrom4([4]byte(bytes[12:16])), true
	case sixTo.Contains(addr):
		return netip.AddrFrom4([4]byte(bytes[2:6])), true
	}
	return netip.Addr{}, false
}
