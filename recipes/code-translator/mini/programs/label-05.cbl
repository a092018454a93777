       ID DIVISION.
       PROGRAM-ID. CANDLES.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC Z(5)9.
       PROCEDURE DIVISION.
           ACCEPT N.
           COMPUTE R = N * 5.
           DISPLAY "TOTAL" R.
           GOBACK.
