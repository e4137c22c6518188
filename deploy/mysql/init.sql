-- Six schemas and six users, each with rights on its own schema only. Runs once, in an empty data folder.
-- The users are locked until users.sh, which runs next, gives them the passwords from the environment.

CREATE DATABASE auth CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE DATABASE catalog CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE DATABASE cart CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE DATABASE orders CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE DATABASE notifier CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
CREATE DATABASE realtime CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;

CREATE USER 'auth'@'%' ACCOUNT LOCK;
CREATE USER 'catalog'@'%' ACCOUNT LOCK;
CREATE USER 'cart'@'%' ACCOUNT LOCK;
CREATE USER 'orders'@'%' ACCOUNT LOCK;
CREATE USER 'notifier'@'%' ACCOUNT LOCK;
CREATE USER 'realtime'@'%' ACCOUNT LOCK;

GRANT ALL PRIVILEGES ON auth.* TO 'auth'@'%';
GRANT ALL PRIVILEGES ON catalog.* TO 'catalog'@'%';
GRANT ALL PRIVILEGES ON cart.* TO 'cart'@'%';
GRANT ALL PRIVILEGES ON orders.* TO 'orders'@'%';
GRANT ALL PRIVILEGES ON notifier.* TO 'notifier'@'%';
GRANT ALL PRIVILEGES ON realtime.* TO 'realtime'@'%';
