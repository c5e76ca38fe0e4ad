package naming

import (
	"crypto/sha256"
	"encoding/base32"
	"regexp"
	"strings"

	"github.com/atriumhub/atrium/sdk/logicalcluster"
)

// UsersName is the name of the workspace, in root, below which homes are.
const UsersName = "users"

const (
	bucketLength = 2
	suffixLength = 10
	// readable is how much of a name is kept when the suffix is added.
	readable = 63 - 1 - suffixLength
)

var (
	segment    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	suffixed   = regexp.MustCompile(`-[0-9a-v]{10}$`)
	unreadable = regexp.MustCompile(`[^a-z0-9]+`)
	// encoding has digits and lower-case letters only.
	encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
)

// Place is where the home of a user is.
type Place struct {
	// Buckets are the names of the workspaces from root down to the one that
	// holds the home: "users", "b1", "b2".
	Buckets [3]string
	// Name is the name of the home itself.
	Name string
}

// Of returns the place of the user called userName, which is not empty.
func Of(userName string) Place {
	sum := sha256.Sum256([]byte(userName))
	hash := encoding.EncodeToString(sum[:])
	return Place{
		Buckets: [3]string{UsersName, hash[:bucketLength], hash[bucketLength : 2*bucketLength]},
		Name:    nameOf(userName, hash[2*bucketLength:][:suffixLength]),
	}
}

// nameOf keeps a name that can be a segment, unless it ends like one that was
// made up (N2).
func nameOf(userName, suffix string) string {
	if segment.MatchString(userName) && !suffixed.MatchString(userName) {
		return userName
	}
	kept := strings.Trim(unreadable.ReplaceAllString(strings.ToLower(userName), "-"), "-")
	if len(kept) > readable {
		kept = strings.TrimRight(kept[:readable], "-")
	}
	if kept == "" {
		kept = "user"
	}
	return kept + "-" + suffix
}

// Path returns the path of the home.
func (p Place) Path() logicalcluster.Path {
	return logicalcluster.NewPath(append(append([]string{logicalcluster.Root.String()}, p.Buckets[:]...), p.Name)...)
}
