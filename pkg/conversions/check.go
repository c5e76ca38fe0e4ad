package conversions

import (
	"fmt"
	"net/netip"
	"net/url"

	"github.com/atriumhub/atrium/pkg/schemas"
)

// Check returns why a tenant cannot have a conversion webhook at address, or nil.
// allowed judges addresses, as egress.Door.Check does; what names stand for is
// judged when they are called.
func Check(address string, allowed func(netip.Addr) error) error {
	parsed, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%q is no URL: %w", address, err)
	}
	switch host := parsed.Hostname(); {
	case parsed.Scheme != "https" || host == "":
		return fmt.Errorf("%q must be a URL such as https://convert.example.com/", address)
	case isInProcess(host):
		return fmt.Errorf("hosts in %s are the hub's own: use a host of yours", schemas.InProcessDomain)
	default:
		if ip, err := netip.ParseAddr(host); err == nil {
			return allowed(ip)
		}
		return nil
	}
}

func isInProcess(host string) bool {
	_, ok := schemas.InProcessKey(host)
	return ok
}
