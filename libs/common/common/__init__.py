"""What every Stoa service needs and no service owns."""

from common.collecting import look_seldom

look_seldom()
