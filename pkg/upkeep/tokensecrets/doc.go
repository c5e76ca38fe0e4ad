// Package tokensecrets deletes the Secrets that hold a token of a service account
// when the account goes. The token stops being good before: it is checked against
// the account each time. Filling such Secrets is up to pkg/admission.
package tokensecrets
