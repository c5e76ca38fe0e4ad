package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"slices"
)

// leaf says what a certificate is for: a client that is someone, or a server that answers at addresses.
type leaf struct {
	commonName string
	groups     []string // for clients: what Kubernetes reads as the user's groups
	dnsNames   []string
	ips        []net.IP
	usage      x509.ExtKeyUsage
}

func client(user string, groups ...string) leaf {
	return leaf{commonName: user, groups: groups, usage: x509.ExtKeyUsageClientAuth}
}

func server(name string, dnsNames []string, ips ...net.IP) leaf {
	return leaf{commonName: name, dnsNames: dnsNames, ips: ips, usage: x509.ExtKeyUsageServerAuth}
}

func (l leaf) template() *x509.Certificate {
	return &x509.Certificate{
		Subject:     pkix.Name{CommonName: l.commonName, Organization: l.groups},
		DNSNames:    l.dnsNames,
		IPAddresses: l.ips,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{l.usage},
	}
}

// matches says whether cert was made for just this purpose.
func (l leaf) matches(cert *x509.Certificate) bool {
	return cert.Subject.CommonName == l.commonName &&
		slices.Equal(cert.Subject.Organization, l.groups) &&
		slices.Equal(cert.DNSNames, l.dnsNames) &&
		slices.EqualFunc(cert.IPAddresses, l.ips, net.IP.Equal) &&
		slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{l.usage})
}
