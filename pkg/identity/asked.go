package identity

import (
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// AskedBy is the same question, asked by another user.
type AskedBy struct {
	authorizer.Attributes
	User user.Info
}

// GetUser returns the other user.
func (a AskedBy) GetUser() user.Info { return a.User }
