package doors

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

const (
	clustersPrefix = "/clusters/"
	servicesPrefix = "/services/"
	// maxURL is how long an address may be.
	maxURL = 2048
)

// Address is where the requests for a mount go.
type Address struct {
	// Host is name and port: "eu.example.org:6443".
	Host string
	// Path comes before that of the request: "" or "/clusters/root:org".
	Path string
	// Own is set for addresses of the hub itself.
	Own bool
}

// ParseAddress reads status.URL. hubURL is the address of the hub itself.
func ParseAddress(raw, hubURL string) (Address, error) {
	if raw == "" {
		return Address{}, errors.New("status.URL is empty")
	}
	if len(raw) > maxURL {
		return Address{}, fmt.Errorf("status.URL has more than %d characters", maxURL)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return Address{}, errors.New("status.URL is not a URL")
	case u.Scheme != "https":
		return Address{}, errors.New(`status.URL has to begin with "https://"`)
	case u.User != nil:
		return Address{}, errors.New("status.URL must not have credentials in it: the hub tells the target who is asking by a client certificate and the X-Remote headers")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Address{}, errors.New("status.URL must not have a query or a fragment")
	case u.Hostname() == "":
		return Address{}, errors.New("status.URL names no host")
	case u.RawPath != "" || !plain(u.Path):
		return Address{}, errors.New("the path in status.URL has to be plain: no dots, empty segments or escapes")
	}
	address := Address{Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	own, err := url.Parse(hubURL)
	if err != nil || authority(own) != authority(u) {
		return address, nil
	}
	address.Own = true
	if below(address.Path, clustersPrefix) || below(address.Path, servicesPrefix) {
		return address, nil
	}
	return Address{}, errors.New("status.URL is one of this hub: there it has to lead to a workspace (/clusters/<path>) or a view (/services/...)")
}

// plain reports whether p means the same to everybody who reads it.
func plain(p string) bool {
	return p == "" || p == "/" || path.Clean(p) == strings.TrimSuffix(p, "/") && p[0] == '/'
}

func below(p, prefix string) bool { return len(p) > len(prefix) && strings.HasPrefix(p, prefix) }

// authority returns host and port in lower case.
func authority(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") + ":" + port
}

// For returns the path to ask the target for, when the mount was asked for rest
// ("/api/v1/...") in the workspace that lies at below under it. It is false when
// the target has no workspaces.
func (a Address) For(below logicalcluster.Path, rest string) (string, bool) {
	if below.Empty() {
		return a.Path + rest, true
	}
	i := strings.LastIndex(a.Path, clustersPrefix)
	if i < 0 || !logicalcluster.Path(a.Path[i+len(clustersPrefix):]).IsValid() {
		return "", false
	}
	return a.Path + ":" + below.String() + rest, true
}
