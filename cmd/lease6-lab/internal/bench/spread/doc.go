// Package spread sees whether the work is spread over lease6d's workers, also when it all comes from one relay.
package spread
